package expiring

// Len is how many rooms have entries, expired ones too.
func (r *Rooms[K, V]) Len() int { return len(r.rooms) }
