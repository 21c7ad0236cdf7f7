"use strict";
// Everything that would ask another host is off: fonts, telemetry, proxy, the vendor's tools and assistants. The page's
// Content-Security-Policy forbids it besides.
Scalar.createApiReference("#app", {
  sources: [
    { title: "HTTP", slug: "http", url: "/openapi.json", default: true },
    { title: "Socket", slug: "socket", url: "/asyncapi.json" },
  ],
  servers: [{ url: location.origin }], // so that the curl lines can be copied
  withDefaultFonts: false,
  telemetry: false,
  showDeveloperTools: "never",
  hideClientButton: true,
  agent: { disabled: true },
  mcp: { disabled: true },
  persistAuth: false,
  authentication: { preferredSecurityScheme: "bearer" },
  defaultHttpClient: { targetKey: "shell", clientKey: "curl" },
  documentDownloadType: "json",
});
