package realtime

// notify wakes the goroutine that waits on a channel. If the channel is full, a
// wake-up is pending already and nothing is added.
func notify(woken chan struct{}) {
	select {
	case woken <- struct{}{}:
	default:
	}
}
