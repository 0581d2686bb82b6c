"use strict";
{
  const {at, make, table, start, source, total} = slmPage, {size} = slmFootprint;
  let read = () => null;
  // The longest context in steps of 256 tokens that fits, up to the model's own.
  const longest = (model, usable) => {
    let low = 0, high = Math.floor((model.longest ?? 131072) / 256);
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (total(model, middle * 256) <= usable) low = middle;
      else high = middle - 1;
    }
    return low * 256;
  };
  const compute = () => {
    const model = read();
    if (model === undefined) return;
    if (!model) {
      at("out").replaceChildren(make("p", {text: "Choose a file, or enter what its header says."}));
      return;
    }
    const needed = total(model, model.context);
    const rows = slmTools.devices.map(device => {
      const most = longest(model, device.usable);
      return [device.title, size(device.usable), needed <= device.usable ? "fits" : "does not fit",
        most ? `${most} tokens` : "none", device.basis];
    });
    const speed = model.row?.tps ? `${model.row.tps} on ${model.row.machine || "an unknown machine"}` : "Speed: not measured";
    const fit = rows.filter(row => row[2] === "fits").length;
    at("out").replaceChildren(
      make("p", {class: "total", text: `${size(needed)}: fits on ${fit} of ${rows.length} devices`}),
      make("p", {class: "reason", text: `${speed}.`}),
      table("Devices", ["Device", "Usable memory", `With ${model.context} tokens`, "Longest context", "Memory is"], rows),
      make("details", {}, make("summary", {text: "How much memory a device leaves, and why"}),
        make("dl", {}, ...slmTools.devices.flatMap(one => [make("dt", {text: one.title}), make("dd", {text: one.reasoning})]))),
    );
  };
  read = source(compute);
  start(compute);
}
