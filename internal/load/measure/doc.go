// Package measure takes the figures of a run and prints them: latencies, the
// servers' CPU and memory, and the report with the verdict.
//
// # Latency
//
// The time of an acknowledgement and of a delivery counts from the start of the
// first attempt; in an open loop from the moment that the schedule gave for it,
// however late the send really began. So a server that stalls is charged for
// everything that had to wait.
package measure
