// Sets light or dark before anything is drawn, so that nothing flashes. The viewer's choice, else the system's.
"use strict";
document.documentElement.dataset.theme = localStorage.getItem("celeriac-theme") || "system";
