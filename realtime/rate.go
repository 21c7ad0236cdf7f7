package realtime

import "time"

// frameRate bounds how fast a client's frames are taken: framesPerSecond of
// them, and frameBurst at once. It is when the bucket will be full again, in
// nanoseconds since the epoch, so that a socket keeps 8 bytes for it.
type frameRate int64

// take reports whether a frame that comes now is within the rate. One that is
// not costs nothing: a client that slows down is heard at once.
func (r *frameRate) take(now time.Time) bool {
	const (
		each = frameRate(time.Second / framesPerSecond)
		most = frameBurst * each
	)
	full := max(*r, frameRate(now.UnixNano())) + each
	if full-frameRate(now.UnixNano()) > most {
		return false
	}
	*r = full
	return true
}
