// Package wire is the client side of the public contract: calls over HTTP, and
// sockets that stay connected and resume. It knows frames, codes and retries,
// and judges nothing: what arrives goes to the socket's Receiver.
//
// # Sockets
//
// One goroutine reads all sockets: on Linux through an epoll instance of its
// own, so that a delivery costs one read and no goroutine switch. The tool
// shares the machine with the server under test, and at 100,000 deliveries per
// second this decides how much of the machine is left for the server. Frames and
// events are parsed in place, without allocation, for the same reason.
package wire
