/* Starts the viewer of the OpenAPI document that the page has loaded. */
(function () {
  "use strict";
  const place = document.getElementById("api-page");
  const specUrl = new URL(place.dataset.specUrl, document.baseURI).href;

  const start = {
    "swagger-ui": function () {
      window.SwaggerUIBundle({
        url: specUrl,
        domNode: place,
        deepLinking: true,
        validatorUrl: null, // it would ask a server elsewhere
      });
    },
    redoc: function () {
      window.Redoc.init(specUrl, {}, place);
    },
    rapidoc: function () {
      const viewer = document.createElement("rapi-doc");
      const attributes = {
        "spec-url": specUrl,
        "load-fonts": "false", // they would come from elsewhere
        "render-style": "read",
        "show-header": "false",
        "allow-server-selection": "false",
        "allow-spec-url-load": "false",
        "allow-spec-file-load": "false",
      };
      for (const [name, value] of Object.entries(attributes)) {
        viewer.setAttribute(name, value);
      }
      place.append(viewer);
    },
  };
  start[place.dataset.viewer]();
})();
