// Package expiring keeps what holds in a room for some seconds: who types, who changes what.
package expiring

import "time"

const (
	// MaxEntries is how many entries a room has at most: nobody reads a longer list.
	MaxEntries = 200
	// maxRooms is the number of rooms from which expired entries of all of them are removed.
	// A room's own are removed whenever it is looked at.
	maxRooms = 1000
)

// Rooms has entries by room and key. The caller locks it. How often somebody may come is
// the caller's rate.
type Rooms[K comparable, V any] struct {
	rooms map[string]map[K]entry[V]
}

type entry[V any] struct {
	value V
	until time.Time
}

// Put adds an entry, or changes it. A room that is full takes no other.
func (r *Rooms[K, V]) Put(room string, key K, value V, now, until time.Time) {
	if r.rooms == nil {
		r.rooms = map[string]map[K]entry[V]{}
	}
	if len(r.rooms) >= maxRooms {
		for id := range r.rooms {
			r.Until(id, now)
		}
	}
	r.Until(room, now)
	entries := r.rooms[room]
	if entries == nil {
		entries = map[K]entry[V]{}
		r.rooms[room] = entries
	}
	if _, known := entries[key]; known || len(entries) < MaxEntries {
		entries[key] = entry[V]{value, until}
	}
}

// Remove tells whether the entry was there, expired or not.
func (r *Rooms[K, V]) Remove(room string, key K) (known bool) {
	if _, known = r.rooms[room][key]; known {
		if delete(r.rooms[room], key); len(r.rooms[room]) == 0 {
			delete(r.rooms, room)
		}
	}
	return known
}

// In returns the values of a room, in no order.
func (r *Rooms[K, V]) In(room string, now time.Time) []V {
	r.Until(room, now)
	all := make([]V, 0, len(r.rooms[room]))
	for _, e := range r.rooms[room] {
		all = append(all, e.value)
	}
	return all
}

// Until returns when the last entry of a room expires, and the zero time when there is none.
func (r *Rooms[K, V]) Until(room string, now time.Time) (last time.Time) {
	entries := r.rooms[room]
	for key, e := range entries {
		if !e.until.After(now) {
			delete(entries, key)
		} else if e.until.After(last) {
			last = e.until
		}
	}
	if len(entries) == 0 {
		delete(r.rooms, room)
	}
	return last
}
