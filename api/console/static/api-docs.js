// Shows the description of the API; "Try it out" sends requests as the person who is signed in.
"use strict";
(() => {
  const place = document.getElementById("swagger");
  SwaggerUIBundle({
    url: place.dataset.description,
    domNode: place,
    deepLinking: true,
    docExpansion: "list",
    defaultModelsExpandDepth: -1,
    filter: true,
    validatorUrl: null,
    persistAuthorization: false,
  });
})();
