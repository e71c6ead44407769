// Package api is the HTTP surface of a node: the Connect, gRPC and gRPC-Web
// services, health, metrics and the API description on one handler.
//
// It owns three things: what a request must look like before it is believed
// (host, origin, token, media type, size, strict JSON), the translation between
// messages of godwit/protos and values of godwit/transfer, and the translation
// of failures into Connect errors with a stable code. It decides nothing about
// transfers, groups, tasks or nodes: every call ends in the [Engine], the [Sets] or
// the [Cluster].
//
// It never shows a secret: request headers and bodies are not answered at all,
// URLs only without query and userinfo. The one exception is the secret of a
// webhook that the API made itself: the answer to the call that made it has it.
package api
