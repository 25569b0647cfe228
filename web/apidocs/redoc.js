Redoc.init("/openapi.json", { hideDownloadButton: false, nativeScrollbars: true }, document.querySelector("#redoc"));
