// Beside the generator's own script. A page from a folder may start no worker; this does what the search needs of one
// in a hidden frame, whose scripts are files of this site. The generator would load such a script from somebody else.
"use strict";
if (location.protocol === "file:") {
  const beside = document.currentScript.src;
  window.Worker = class extends EventTarget {
    constructor(url) {
      super();
      const frame = document.createElement("iframe");
      frame.hidden = true;
      frame.title = "search";
      document.body.append(frame);
      const inner = frame.contentDocument;
      window.addEventListener("message", event => {
        if (event.source !== frame.contentWindow) return;
        const told = new MessageEvent("message", {data: event.data});
        this.dispatchEvent(told);
        if (this.onmessage) this.onmessage(told);
      });
      const load = source => new Promise((resolve, reject) => {
        const script = inner.createElement("script");
        script.addEventListener("load", resolve);
        script.addEventListener("error", reject);
        script.src = source;
        inner.body.append(script);
      });
      this.ready = load(new URL("worker-frame.js", beside).href).then(() => load(new URL(url, location).href));
      this.frame = frame;
    }
    postMessage(data) {
      const told = structuredClone(data);
      this.ready.then(() => this.frame.contentWindow.dispatchEvent(new MessageEvent("message", {data: told})));
    }
    terminate() { this.frame.remove(); }
  };
}

// The generator's script puts a navigation into each block of code, all with the same name: those who hear a page could
// not tell them apart.
new MutationObserver(() => {
  document.querySelectorAll(".md-code__nav").forEach((place, number) => {
    const name = `Code ${number + 1}`;
    if (place.getAttribute("aria-label") !== name) place.setAttribute("aria-label", name);
  });
}).observe(document.documentElement, {childList: true, subtree: true});
