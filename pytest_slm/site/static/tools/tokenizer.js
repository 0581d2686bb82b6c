"use strict";
{
  const {at, make, start} = slmPage;
  const MOST = 5000;
  let tokenizer = null;
  const use = (name, values) => {
    try {
      tokenizer = new slmBpe.Tokenizer(values);
      at("said").textContent = `${name}: ${tokenizer.tokens.length} tokens, words cut as by ${tokenizer.way}.`;
    } catch (error) {
      tokenizer = null;
      at("said").textContent = `${name}: ${error.message}.`;
    }
    compute();
  };
  const compute = () => {
    if (!tokenizer) {
      at("out").replaceChildren();
      return;
    }
    const text = at("text").value, ids = tokenizer.encode(text, at("special").checked);
    const letters = Array.from(text).length;
    const each = ids.length ? `, ${(letters / ids.length).toFixed(2)} characters each` : "";
    const shown = ids.slice(0, MOST);
    at("out").replaceChildren(
      make("p", {class: "total", text: `${ids.length} tokens for ${letters} characters${each}`}),
      make("p", {class: "tokens"}, ...shown.map(id => make("span", {text: tokenizer.show(id), title: `token ${id}`}))),
      make("details", {}, make("summary", {text: "Numbers of the tokens"}), make("p", {class: "code", text: shown.join(" ")})),
    );
    if (ids.length > MOST) at("out").append(make("p", {class: "reason", text: `The first ${MOST} are shown.`}));
  };
  at("gguf").addEventListener("change", async () => {
    const file = at("gguf").files[0];
    if (!file) return;
    try {
      use(file.name, (await slmGguf.read(file)).values);
    } catch (error) {
      at("said").textContent = `${file.name}: ${error.message}.`;
    }
  });
  start(compute);
}
