"use strict";
{
  const {at, make, table, number, start, fillMeasured} = slmPage, {monthly} = slmFootprint;
  const measured = fillMeasured(row => row.prompt_rate && row.rate);
  at("measured").addEventListener("change", () => {
    const row = measured();
    if (row) {
      at("own_prompt").value = row.prompt_rate;
      at("own_output").value = row.rate;
    }
  });
  const compute = () => {
    const work = {requests: number("requests"), input: number("input"), output: number("output")};
    const ways = {
      "Own hardware": {kind: "own", promptRate: number("own_prompt"), outputRate: number("own_output"), use: 0.7,
        price: number("price"), months: number("months"), watts: number("watts"), idleWatts: number("idle"),
        energyPrice: number("energy")},
      "Rented GPU": {kind: "cloud", promptRate: number("cloud_prompt"), outputRate: number("cloud_output"), use: 0.7,
        hourPrice: number("hour")},
      API: {kind: "api", inputPrice: number("api_input"), outputPrice: number("api_output")},
    };
    const rows = Object.entries(ways).map(([name, way]) => {
      const money = monthly(work, way);
      const tokens = work.requests * 30 * (work.input + work.output);
      const each = money !== null && tokens > 0 ? (money / tokens * 1e6).toPrecision(3) : "–";
      return [name, money === null ? "something is not given" : money.toFixed(2), each];
    });
    at("out").replaceChildren(table("A month of 30 days", ["Way", "Costs", "For 1 M tokens"], rows),
      make("p", {class: "reason", text: "In the currency of your prices."}));
  };
  start(compute);
}
