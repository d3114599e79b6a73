/* Light or dark: what the system asks for, until the button says otherwise. Runs before the page is drawn. */
"use strict";
(() => {
  const KEY = "rerankbench.theme";
  const remembered = () => { try { return localStorage.getItem(KEY); } catch { return null; } };
  const remember = (theme) => { try { localStorage.setItem(KEY, theme); } catch { /* a page from disk may have no memory */ } };
  const system = matchMedia("(prefers-color-scheme: dark)");
  const current = () => document.documentElement.dataset.theme || (system.matches ? "dark" : "light");
  const changed = () => document.dispatchEvent(new Event("themechange"));
  const chosen = remembered();
  if (chosen === "dark" || chosen === "light") document.documentElement.dataset.theme = chosen;
  document.addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme");
    const label = () => { button.textContent = current() === "dark" ? "Light" : "Dark"; };
    button.hidden = false;
    label();
    button.addEventListener("click", () => {
      document.documentElement.dataset.theme = current() === "dark" ? "light" : "dark";
      remember(current());
      label();
      changed();
    });
    system.addEventListener("change", () => { label(); changed(); });
  });
})();
