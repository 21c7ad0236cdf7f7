package realtime

// signal wakes who waits on a channel; who has been woken and has not looked yet
// is not woken again, if the channel has no room for that.
func notify(woken chan struct{}) {
	select {
	case woken <- struct{}{}:
	default:
	}
}
