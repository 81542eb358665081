"use strict";
// Shows the classes whose name holds what was typed; without a search only the first ones.
(function () {
  const box = document.getElementById("search");
  if (!box) return;
  const shownAtOnce = 25;
  const rows = Array.from(document.querySelectorAll("#neighbours tbody tr"));
  const names = rows.map((row) => row.dataset.name.toLowerCase());
  const count = document.getElementById("found");
  function show() {
    const wanted = box.value.trim().toLowerCase().replace(/_/g, " ");
    let found = 0;
    let exact = -1;
    rows.forEach((row, i) => {
      const name = names[i].replace(/_/g, " ");
      const hit = name.includes(wanted);
      if (hit) found += 1;
      if (hit && name === wanted) exact = i;
      row.hidden = !hit || found > shownAtOnce;
    });
    if (exact >= 0) {
      rows[exact].hidden = false;
      rows[exact].parentNode.prepend(rows[exact]);
    }
    count.textContent = found > shownAtOnce
      ? `the first ${shownAtOnce} of ${found} classes` : `${found} ${found === 1 ? "class" : "classes"}`;
  }
  box.addEventListener("input", show);
  document.getElementById("neighbours").addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    box.value = button.textContent;
    show();
    box.scrollIntoView({ block: "center" });
  });
  document.querySelector(".search").hidden = false;
  show();
})();
