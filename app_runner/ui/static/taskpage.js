/* Shows the task whose page this is. */
(function () {
  "use strict";
  document.getElementById("task-as-it-was").remove();
  const url = new URL(location.pathname, location.href);
  window.AppRunner.taskView.show(document.getElementById("task-place"), url.href);
})();
