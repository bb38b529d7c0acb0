//! HTTP, gRPC, WebSocket, authentication, OpenAPI: extract, one recorder call, map.
