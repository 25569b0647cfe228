package realtime

// seat is a connection's place in one room. The connection of a room's socket has one; that
// of a person has one for each room that it follows.
type seat struct {
	conn    *Conn
	room    *room
	variant Variant
	absent  bool // presence does not show the person for it

	cur   cursor // guarded by feed.mu
	index int    // index in room.seats, guarded by room.mu
	owed  bool   // the peer has not been sent the presence yet, guarded by room.mu
	ready bool   // it is in conn.ready, guarded by conn.mu
}

// poke makes the writer look for what the room has for the seat.
func (s *seat) poke() {
	s.conn.mu.Lock()
	s.waits()
	s.conn.mu.Unlock()
	s.conn.poke()
}

// waits notes that the room may have something for the seat. The caller holds conn.mu.
func (s *seat) waits() {
	if !s.ready {
		s.ready = true
		s.conn.ready = append(s.conn.ready, s)
	}
}

// nextReady takes a seat of which the room may have something.
func (c *Conn) nextReady() *seat {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.ready) == 0 {
		return nil
	}
	s := c.ready[0]
	c.ready[0] = nil
	if c.ready = c.ready[1:]; len(c.ready) == 0 {
		c.ready = nil
	}
	s.ready = false
	return s
}

// in returns the connection's seat in a room, or nil.
func (c *Conn) in(roomID string) *seat {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.seats {
		if s.room.id == roomID {
			return s
		}
	}
	return nil
}

func (c *Conn) allSeats() []*seat {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]*seat(nil), c.seats...)
}

func (c *Conn) addSeat(s *seat) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seats = append(c.seats, s)
}

// dropSeat returns false when the seat has been dropped before.
func (c *Conn) dropSeat(s *seat) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, other := range c.seats {
		if other == s {
			last := len(c.seats) - 1
			c.seats[i], c.seats[last] = c.seats[last], nil
			c.seats = c.seats[:last]
			return true
		}
	}
	return false
}

// Place is a room that a connection follows, and the encoding that it gets there.
type Place struct {
	Room    string
	Variant Variant
}

// Places returns the rooms that the connection follows.
func (c *Conn) Places() []Place {
	seats := c.allSeats()
	places := make([]Place, len(seats))
	for i, s := range seats {
		places[i] = Place{s.room.id, s.variant}
	}
	return places
}

// Place returns the connection's place in a room. in is false when it does not follow it.
func (c *Conn) Place(roomID string) (p Place, in bool) {
	if s := c.in(roomID); s != nil {
		return Place{roomID, s.variant}, true
	}
	return Place{}, false
}
