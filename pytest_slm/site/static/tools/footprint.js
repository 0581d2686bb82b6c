// The arithmetic of the tools: memory, devices, cost. Memory is that of pytest_slm/core/footprint.py, and a test holds
// the two together.
"use strict";
const slmFootprint = (() => {
  const KV_TYPES = {
    F32: 4, F16: 2, BF16: 2, Q8_0: 34 / 32, Q5_1: 24 / 32, Q5_0: 22 / 32, Q4_1: 20 / 32, Q4_0: 18 / 32,
  };
  const padded = tokens => Math.ceil(tokens / 256) * 256;

  function kvCacheBytes(shape, context, type = "F16", batch = 512) {
    const cells = padded(context);
    const short = shape.window ? Math.min(cells, padded(shape.window + batch)) : cells;
    const layers = (shape.layers - shape.windowed) * cells + shape.windowed * short;
    return layers * shape.kv_heads * (shape.key_length + shape.value_length) * KV_TYPES[type];
  }

  function computeBytes(shape, context, batch = 512, flash = true, outputs = null) {
    const logits = (outputs ?? batch) * shape.vocabulary + batch * shape.embedding;
    return 4 * Math.max(logits, flash ? 0 : batch * ((shape.heads + 1) * padded(context) + 6 * shape.embedding));
  }

  // A Python with the binding and no model; and what the engine's tables take for a word, with merges and without.
  const PROGRAM = 56e6, MERGED = 350, UNMERGED = 167;
  const vocabularyBytes = (words, merges) => words * (merges ? MERGED : UNMERGED);

  // Money for a month of so many requests; null where something was not given.
  function monthly({requests, input, output, days = 30}, way) {
    const all = [requests, input, output, days];
    const each = Object.values(way).filter(value => typeof value === "number" || value === null);
    if ([...all, ...each].some(value => value === null || !Number.isFinite(value) || value < 0)) return null;
    if (way.kind === "api") {
      return requests * days * (input * way.inputPrice + output * way.outputPrice) / 1e6;
    }
    if (!(way.promptRate > 0 && way.outputRate > 0)) return null;
    const hours = requests * days * (input / way.promptRate + output / way.outputRate) / 3600;
    const there = days * 24;
    const machines = Math.max(1, Math.ceil(hours / (there * way.use)));
    if (way.kind === "cloud") return (way.onlyBusy ? hours : machines * there) * way.hourPrice;
    const idle = Math.max(0, machines * there - hours);
    const power = (hours * way.watts + idle * way.idleWatts) / 1000 * way.energyPrice;
    return way.months > 0 ? machines * way.price / way.months + power : null;
  }

  function size(bytes) {
    for (const [unit, factor, places] of [["GB", 1e9, 2], ["MB", 1e6, 0], ["kB", 1e3, 0]]) {
      if (Math.abs(bytes) >= factor) return `${(bytes / factor).toFixed(places)}\u00a0${unit}`;
    }
    return `${Math.round(bytes)}\u00a0bytes`;
  }

  return {KV_TYPES, PROGRAM, padded, kvCacheBytes, computeBytes, vocabularyBytes, monthly, size};
})();
