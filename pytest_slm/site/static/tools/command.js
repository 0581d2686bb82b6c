"use strict";
{
  const {at, make, start} = slmPage;
  const quoted = word => /^[\w@%+=:,./~-]+$/.test(word) && !word.startsWith("~")
    ? word : `'${word.replaceAll("'", "'\"'\"'")}'`;
  for (const [name, title] of slmTools.suites) {
    at("suites").append(make("label", {}, make("input", {type: "checkbox", value: name}), title));
  }
  const compute = () => {
    const chosen = [...at("suites").querySelectorAll(":checked")].map(box => box.value).join(",");
    const words = [["model", at("model").value.trim()], ["quant", at("quant").value.trim()], ["suite", chosen],
      ["mode", at("mode").value === "quick" ? "" : at("mode").value], ["budget", at("budget").value.trim()],
      ["engine", at("engine").value], ["baseline", at("baseline").value.trim()], ["site", at("site").value.trim()]];
    const given = words.filter(([, value]) => value).map(([name, value]) => quoted(`--slm-${name}=${value}`));
    for (const flag of ["plan", "offline"]) if (at(flag).checked) given.push(`--slm-${flag}`);
    const told = at("model").value.trim() ? ["pytest", ...given].join(" ") : "Name a model.";
    at("out").replaceChildren(make("pre", {class: "command", tabindex: "0", "aria-label": "The command", text: told}));
  };
  start(compute);
}
