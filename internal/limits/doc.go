// Package limits holds back who does something too often: it counts, over all
// nodes, how often an action was taken by a user, from an address or on an
// account.
//
// # What is promised
//
// A rate of 50/s lets a subject act 50 times at once, and then as fast as one
// permit follows another: every 20 ms. The count is in Redis, by one script
// there (GCRA, of redis_rate), so that all nodes share it.
//
// Asking Redis about each message would cost some third of what a message
// costs in all. So where a rate is fast, a node keeps a tally of what a subject
// does, and settles it in Redis only every so often: as many permits at once as
// a fifth of what the rate gives in a second, 10 at most. What Redis then
// refuses, and all that follows until it has the permits, is refused. So the
// limit is exact but for what is on the tallies: in any time a subject does at
// most what the rate gives in it, and less than one tally a node beyond. Rates
// below 10/s are settled each time: login=20/m is exact.
//
// A refusal is remembered too, for at most a second: a flood of requests that
// are refused anyway does not reach Redis.
//
// # When Redis is away
//
// The limits fail open: what they hold back is abuse, and messages that can be
// stored are worth more. One request at a time finds out whether Redis is
// back, once a second, and waits half of one at most; all others go on
// unasked. Each outage is logged once, at its begin and at its end.
//
// # What is kept
//
// Redis and the memory of a node have a keyed hash of each subject. Neither an
// e-mail address nor an IP address can be read from it, nor found by hashing
// all that there are. Redis forgets a subject when its limit is whole again.
package limits
