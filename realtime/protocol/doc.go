// Package protocol holds the words of the socket protocol ping.v1.json: the
// frames, the close codes, the error codes and the limits. It does no I/O.
// docs/protocol.md is the description for client developers; package contract
// makes the AsyncAPI document from the structs and lists of this package.
package protocol

// Subprotocol is the WebSocket subprotocol that clients must offer.
const Subprotocol = "ping.v1.json"
