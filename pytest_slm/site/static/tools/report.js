"use strict";
{
  const {at, make, table, start} = slmPage;
  const list = value => Array.isArray(value) ? value : [];
  const short = value => typeof value === "number" ? Number(value.toPrecision(4)).toString() : "";
  const span = interval => Array.isArray(interval) ? interval.map(short).join("–") : "";
  const words = value => value === null || value === undefined ? "not known" : String(value);

  function show(report) {
    const slm = report?.slm ?? report;
    if (!slm || typeof slm !== "object" || !Array.isArray(slm.results)) throw new Error("it is no report of pytest-slm");
    const said = {passed: "measured", failed: "below gate", not_run: "not run"};
    const rows = slm.results.map(result => {
      const metric = list(result.metrics).find(one => one.name === result.primary) ?? list(result.metrics)[0];
      const item = `${words(result.suite)}/${words(result.task)}${result.variant ? `[${result.variant}]` : ""}`;
      const partial = !metric && result.reason?.startsWith?.("partial: ");
      const state = partial ? "partial" : Object.hasOwn(said, result.outcome) ? said[result.outcome] : words(result.outcome);
      return metric
        ? [item, state, `${words(metric.name)} ${short(metric.value)}`, span(metric.interval), words(metric.n)]
        : [item, state, words(result.reason ?? "no score").replace(partial ? "partial: " : "", ""), "", ""];
    });
    const times = slm.results.flatMap(result => list(result.measurements).map(one => {
      const values = list(one.values).filter(Number.isFinite);
      const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
      return [`${words(result.task)}${result.variant ? `[${result.variant}]` : ""}: ${words(one.name)}`,
        values.length ? `${short(mean)} ${words(one.unit)}` : "not measured", String(values.length)];
    }));
    const facts = {Model: slm.submission?.name, Quantization: slm.quantization, Mode: slm.mode, Run: slm.run_id,
      Finished: slm.finished, Engine: slm.backend?.engine_version ?? slm.backend?.engine ?? slm.backend?.name,
      Processor: slm.machine?.cpu};
    at("out").replaceChildren(
      table("The run", ["What", "Value"], Object.entries(facts).map(([name, value]) => [name, words(value)])),
      table("Scores", ["Item", "State", "Metric", "Interval", "n"], rows),
    );
    if (times.length) at("out").append(table("Measurements (mean of the rounds)", ["What", "Value", "Rounds"], times));
  }

  async function open(file) {
    if (!file) return;
    at("said").textContent = "";
    try {
      if (file.size > 64 * 2 ** 20) throw new Error("it is larger than 64 MB");
      show(JSON.parse(await file.text()));
      at("said").textContent = file.name;
    } catch (error) {
      at("out").replaceChildren();
      at("said").textContent = `${file.name}: ${error instanceof SyntaxError ? "it is no JSON" : error.message}.`;
    }
  }

  at("file").addEventListener("change", () => open(at("file").files[0]));
  const drop = at("drop");
  for (const name of ["dragover", "dragleave", "drop"]) {
    document.addEventListener(name, event => {
      event.preventDefault();
      drop.classList.toggle("over", name === "dragover");
      if (name === "drop") open(event.dataTransfer.files[0]);
    });
  }
  start(() => {});
}
