// Swagger UI comes with BentoML; nothing is loaded from other hosts.
window.SwaggerUIBundle({ url: "/docs.json", dom_id: "#docs", deepLinking: true, validatorUrl: null });
