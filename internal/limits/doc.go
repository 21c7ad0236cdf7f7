// Package limits is a distributed rate limiter: over all nodes, it counts how often an action was taken by a user, from
// an address or on an account.
//
// # Guarantees
//
// A rate of 50/s allows a subject 50 actions at once, and then one every 20 ms. The count is in Redis and is changed by
// one script (GCRA, of redis_rate), so all nodes share it.
//
// Asking Redis about each message would cost about a third of what a message costs in all. Where a rate is fast, a node
// therefore counts in a tally per subject and settles the tally in Redis in batches: as many permits as a fifth of what
// the rate grants per second, at most 10. When Redis refuses a batch, its last action is refused, and so are all that
// follow until Redis grants the batch. The limit is exact except for what is on the tallies: in any period a subject
// gets at most what the rate grants in it, plus less than one batch per node. Rates below 10/s are settled with every
// action: login=20/m is exact.
//
// A refusal is remembered for at most a second: a flood of requests that are refused anyway does not reach Redis.
//
// # Redis outages
//
// The limits fail open: they prevent abuse, and messages that can be stored are worth more. Once per second one request
// probes Redis and waits at most half a second; all others proceed uncounted. Each outage is logged once when it begins
// and once when it ends.
//
// # Stored data
//
// Redis and the memory of a node hold a keyed hash of each subject. Neither an e-mail address nor an IP address can be
// read from it, nor found by hashing all candidates. Redis forgets a subject when all of its permits are available.
package limits
