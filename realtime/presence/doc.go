// Package presence tells the members of conversations whether a user is online.
//
// LocalUsers has the users with sockets on this node: the state of their devices
// and their block lists. Service keeps a lease in Redis per local user and
// renews it with each heartbeat. When the state of a user changes, here or by a
// lease that expired, a node publishes it to the user's audience: the members of
// conversations that are small enough. See package ephemeral for the leases.
package presence
