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

  // Offers the measured files. What comes back gives the chosen one: null where there is none, undefined while its
  // numbers are on their way; `arrived` is called when they are there.
  function measuredFiles(arrived) {
    const {kind, part, columns, models, quantizations, machines, rows} = slmTools.files;
    const known = models.flatMap(([name, ...files]) => files.flatMap((one, n) => n % 2 ? [] : [
      {file: `${name} ${quantizations[one]}`, machine: machines[files[n + 1]]}]));
    at("measured").append(...known.map(({file, machine}, place) =>
      make("option", {value: place, text: [file, machine].filter(Boolean).join(", ")})));
    const asked = new Set();
    function load(number) {
      if (asked.has(number)) return;
      asked.add(number);
      const script = make("script", {src: `${kind}-${number}.js`});
      script.addEventListener("load", arrived);
      script.addEventListener("error", () => {
        asked.delete(number);
        at("measured").value = "";
        arrived();
        at("said").textContent = "The numbers of this file could not be loaded.";
      });
      document.head.append(script);
    }
    at("measured").addEventListener("input", () => { at("said").textContent = ""; });
    return () => {
      if (at("measured").value === "") return null;
      const place = Number(at("measured").value), number = Math.floor(place / part);
      if (!rows[number]) {
        load(number);
        return undefined;
      }
      const values = rows[number][place % part];
      return {...known[place], ...Object.fromEntries(columns.map((name, n) => [name, values[n]]))};
    };
  }

  const FIELDS = ["layers", "heads", "kv_heads", "key_length", "value_length", "embedding", "vocabulary", "window",
    "windowed"];

  // The widgets of fields.html: calls `compute` whenever they say something else. What comes back gives the model:
  // null where something is missing, undefined while the numbers of a measured file are on their way.
  function source(compute) {
    for (const type of Object.keys(slmFootprint.KV_TYPES)) at("kv_type").append(make("option", {text: type}));
    at("kv_type").value = "F16";
    let longest = null, copies = null;
    const measured = measuredFiles(compute);
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
      if (row === undefined) return row;
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

  return {at, make, table, number, start, source, measuredFiles, total};
})();
