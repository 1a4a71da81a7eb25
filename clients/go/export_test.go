package socketgateway

// Attached tells whether a stream is in use.
func (g *Gateway) Attached() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.isAttached
}
