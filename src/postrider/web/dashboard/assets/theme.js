// Before anything is drawn: the theme that was chosen here, if any; else the system's.
(() => {
  const chosen = localStorage.getItem("postrider-theme");
  if (chosen === "dark" || chosen === "light") document.documentElement.dataset.theme = chosen;
})();
