"use strict";
{
  const {at, make, table, start, source, total} = slmPage, {size} = slmFootprint;
  let read = () => null;
  const compute = () => {
    const model = read();
    if (model === undefined) return;
    if (!model) {
      at("out").replaceChildren(make("p", {text: "Choose a file, or enter what its header says."}));
      return;
    }
    const parts = [["Weights", model.weights], ["Repacked weights", model.copies],
      ["KV cache", model.kv(model.context)], ["Compute buffers", model.compute(model.context)],
      ["Vocabulary", model.vocabulary], ["Rest of the program", model.besides]].filter(([, bytes]) => bytes !== 0);
    const lengths = [512, 2048, 4096, 8192, 16384, 32768, 131072].filter(n => !model.longest || n <= model.longest);
    const sum = size(total(model, model.context));
    const missing = model.besides === null ? ", without the rest of the program" : "";
    at("out").replaceChildren(
      make("p", {class: "total", text: `${sum} with ${model.context} tokens${missing}`}),
      table("What it is made of", ["Part", "Size"], parts.map(([name, n]) => [name, n === null ? "not given" : size(n)])),
      table("By context", ["Tokens", "KV cache", "In all"],
        lengths.map(n => [String(n), size(model.kv(n)), size(total(model, n))])),
    );
  };
  read = source(compute);
  start(compute);
}
