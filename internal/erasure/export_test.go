package erasure

// OnStep has f called after each step. Call it before Run.
func (e *Eraser) OnStep(f func(step string)) { e.reached = f }
