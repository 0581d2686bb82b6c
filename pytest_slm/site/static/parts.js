// The parts of a long page: where there is little room they are closed but for the first ones, and a link to one opens
// it. Without this script all of them are open.
"use strict";

(() => {
  const parts = document.querySelectorAll("details.part");
  if (matchMedia("(max-width: 48rem)").matches) for (const part of parts) part.open = part.classList.contains("first");
  function reveal() {
    const target = document.getElementById(location.hash.slice(1));
    const part = target?.closest("details.part") || target?.querySelector("details.part");
    if (!part || part.open) return;
    part.open = true;
    target.scrollIntoView();
  }
  addEventListener("hashchange", reveal);
  for (const link of document.querySelectorAll(".contents a[href^='#']")) link.addEventListener("click", () => setTimeout(reveal));
  reveal();
})();
