// What the pages of tools share: elements made of text, never of markup; tables; reading fields; choosing a model.
"use strict";
const slmPage = (() => {
  const at = id => document.getElementById(id);

  function make(tag, {text, ...attributes} = {}, ...children) {
    const node = document.createElement(tag);
    if (text !== undefined) node.textContent = text;
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    node.append(...children);
    return node;
  }

  function table(caption, head, rows) {
    const line = (cells, first) => make("tr", {}, ...cells.map((cell, place) => {
      const kind = first || place === 0 ? "th" : "td";
      const scope = first ? {scope: "col"} : place === 0 ? {scope: "row"} : {};
      return make(kind, {text: cell, ...scope, ...(place && !first && /^[\d\s.,–-]/.test(cell) ? {class: "num"} : {})});
    }));
    const made = make("table", {}, make("caption", {text: caption}), make("thead", {}, line(head, true)),
      make("tbody", {}, ...rows.map(row => line(row, false))));
    return make("div", {class: "sheet", tabindex: "0", role: "region", "aria-label": caption}, made);
  }

  // The number in a field; null where there is none, or none that can be.
  function number(id) {
    const field = at(id), value = field.value.trim() === "" ? NaN : Number(field.value);
    return Number.isFinite(value) && value >= Number(field.min || -Infinity) ? value : null;
  }

  function start(compute) {
    at("form").hidden = false;
    at("form").addEventListener("input", compute);
    compute();
  }

  function fillMeasured(kept) {
    const known = slmTools.rows.map(values => {
      const row = Object.fromEntries(slmTools.columns.map((name, place) => [name, values[place]]));
      return {...row, machine: slmTools.machines[row.machine]};
    }).filter(kept);
    known.forEach((row, place) => at("measured").append(
      make("option", {value: place, text: [row.file, row.machine].filter(Boolean).join(", ")})));
    return () => at("measured").value === "" ? null : known[Number(at("measured").value)];
  }

  const FIELDS = ["layers", "heads", "kv_heads", "key_length", "value_length", "embedding", "vocabulary", "window",
    "windowed"];

  // The widgets of fields.html: calls `compute` whenever they say something else.
  function source(compute) {
    for (const type of Object.keys(slmFootprint.KV_TYPES)) at("kv_type").append(make("option", {text: type}));
    at("kv_type").value = "F16";
    let longest = null, copies = null;
    const measured = fillMeasured(row => row.weights !== null && row.kv_bytes !== null);
    at("gguf").addEventListener("change", async () => {
      const file = at("gguf").files[0];
      if (!file) return;
      try {
        const header = await slmGguf.read(file), shape = slmGguf.shape(header);
        for (const name of FIELDS) at(name).value = shape ? shape[name] : "";
        at("weights").value = header.weights === null ? "" : header.weights / 1e6;
        at("merges").value = (header.values["tokenizer.ggml.merges"]?.length ?? 0) > 0 ? "yes" : "no";
        copies = header.copies;
        at("measured").value = "";
        longest = header.values[`${header.values["general.architecture"]}.context_length`] ?? null;
        at("said").textContent = shape
          ? `${file.name}: ${header.values["general.architecture"]}, ${longest} tokens of context at most.`
          : `${file.name}: layers of this kind are not known here, so its KV cache cannot be computed.`;
      } catch (error) {
        at("said").textContent = `${file.name}: ${error.message}.`;
      }
      compute();
    });
    return () => {
      const row = measured(), context = number("context"), batch = number("batch"), type = at("kv_type").value;
      const own = number("process"), flash = at("flash").value === "on", gpu = at("processor").value === "gpu";
      // A processor takes memory for what is computed, a GPU for all that is reserved.
      const outputs = number("outputs") ?? (gpu ? batch : 1);
      if (context === null || batch === null) return null;
      if (row) {
        const ratio = slmFootprint.KV_TYPES[type] / slmFootprint.KV_TYPES[row.kv_type ?? "F16"];
        const kv = n => row.kv_bytes * slmFootprint.padded(n) * ratio;
        const besides = own === null ? row.besides : own * 1e6;
        const none = {copies: 0, vocabulary: 0};
        return {row, weights: row.weights, kv, compute: () => row.buffers, besides, context, longest: row.context, ...none};
      }
      const shape = Object.fromEntries(FIELDS.map(name => [name, number(name)]));
      const weights = number("weights");
      if (weights === null || Object.values(shape).includes(null) || shape.windowed > shape.layers) return null;
      return {
        row: null, weights: weights * 1e6, kv: n => slmFootprint.kvCacheBytes(shape, n, type, batch),
        compute: n => slmFootprint.computeBytes(shape, n, batch, flash, outputs),
        copies: copies?.[at("processor").value] ?? 0,
        vocabulary: slmFootprint.vocabularyBytes(shape.vocabulary, at("merges").value === "yes"),
        besides: own === null ? slmFootprint.PROGRAM : own * 1e6, context, longest,
      };
    };
  }

  const total = (model, context) =>
    model.weights + model.copies + model.kv(context) + model.compute(context) + model.vocabulary + (model.besides ?? 0);

  return {at, make, table, number, start, source, fillMeasured, total};
})();
