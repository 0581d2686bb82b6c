"use strict";
{
  const {at, make, table, number, start, measuredFiles} = slmPage, {monthly} = slmFootprint;
  const measured = measuredFiles(() => {
    fillSpeeds();
    compute();
  });
  function fillSpeeds() {
    const row = measured();
    if (row) {
      at("own_prompt").value = row.prompt_rate;
      at("own_output").value = row.rate;
    }
  }
  at("measured").addEventListener("input", fillSpeeds);

  // Prices that somebody has said: by what they fill in. What a person types afterwards is theirs, and has no source.
  const FIELDS = {machine: ["price"], energy: ["energy"], gpu: ["hour"], api: ["api_input", "api_output"]};
  const STALE = 183 * 24 * 3600 * 1000;
  const chosen = {};
  for (const [kind, fields] of Object.entries(FIELDS)) {
    const known = slmTools.prices.filter(one => one.kind === kind), select = at(`${kind}_said`);
    known.forEach((one, place) => select.append(make("option", {value: place, text: `${one.what}: ${one.told}`})));
    const say = () => {
      const one = chosen[kind];
      const old = one && !(Date.now() - Date.parse(one.said) < STALE);
      at(`${kind}_source`).replaceChildren(...one ? [
        `Said on ${one.said} by `,
        ...one.list ? [make("a", {href: one.list, rel: "noopener", text: new URL(one.list).hostname}), ", as told by "] : [],
        make("a", {href: one.source, rel: "noopener", text: new URL(one.source).hostname}),
        `.${one.note ? ` ${one.note}` : ""}${old ? " Not of the last six months: look it up before you rely on it." : ""}`,
      ] : []);
    };
    select.addEventListener("input", () => {
      const one = chosen[kind] = select.value === "" ? null : known[Number(select.value)];
      if (one) fields.forEach((name, place) => { at(name).value = place ? one.written : one.price; });
      say();
    });
    fields.forEach(name => at(name).addEventListener("input", () => {
      select.value = "";
      chosen[kind] = null;
      say();
    }));
  }

  // Three digits, and all of those before the point: 1230, not 1.23e+3.
  const figures = value => value >= 100 ? value.toFixed(0) : value.toPrecision(3);

  const compute = () => {
    const work = {requests: number("requests"), input: number("input"), output: number("output")};
    const ways = {
      "Own hardware": {kind: "own", promptRate: number("own_prompt"), outputRate: number("own_output"), use: 0.7,
        price: number("price"), months: number("months"), watts: number("watts"), idleWatts: number("idle"),
        energyPrice: number("energy")},
      "Rented GPU": {kind: "cloud", promptRate: number("cloud_prompt"), outputRate: number("cloud_output"), use: 0.7,
        hourPrice: number("hour"), onlyBusy: at("paid").value === "busy"},
      API: {kind: "api", inputPrice: number("api_input"), outputPrice: number("api_output")},
    };
    const rows = Object.entries(ways).map(([name, way]) => {
      const money = monthly(work, way);
      const tokens = work.requests * 30 * (work.input + work.output);
      const each = money !== null && tokens > 0 ? figures(money / tokens * 1e6) : "–";
      return [name, money === null ? "something is not given" : money.toFixed(2), each];
    });
    const currencies = [...new Set(Object.values(chosen).filter(Boolean).map(one => one.currency))];
    const mixed = currencies.length > 1;
    at("out").replaceChildren(table("A month of 30 days", ["Way", "Costs", "For 1 M tokens"], rows),
      make("p", {class: mixed ? "caution" : "reason", text: mixed
        ? `You have chosen prices in ${currencies.join(" and ")}: convert them first. These sums add them as if they were one.`
        : "In the currency of your prices."}));
  };
  start(compute);
}
