// Inside of the frame that stands for a worker: messages go to the page, further scripts are loaded one by one.
"use strict";
window.postMessage = data => parent.postMessage(data, "*");
window.importScripts = (...sources) => sources.reduce((before, source) => before.then(() => new Promise(resolve => {
  const script = document.createElement("script");
  script.addEventListener("load", resolve);
  script.src = source;
  document.body.append(script);
})), Promise.resolve());
