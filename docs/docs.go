// Package docs embeds the documents that the server shows.
package docs

import _ "embed"

// Protocol is the protocol of the socket, for client developers, as Markdown.
// The page /docs shows it.
//
//go:embed protocol.md
var Protocol string
