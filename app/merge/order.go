package merge

// threeWay merges two lists whose elements have different keys. cell merges one element; it
// gets nil for a list that lacks it, and returns nil for one that is to be left out.
//
// The elements keep the order of t, and new ones of m stand behind the one that they stand
// behind in m. If m alone has put them into another order, that order counts.
func threeWay[T any](b, t, m []T, key func(*T) string, cell func(b, t, m *T) *T) []T {
	inB, inT, inM := placesOf(b, key), placesOf(t, key), placesOf(m, key)
	first, second, inFirst := t, m, inT
	if moved(b, m, key, inB, inM) && !moved(b, t, key, inB, inT) {
		first, second, inFirst = m, t, inM
	}
	at := func(list []T, places map[string]int, k string) *T {
		if i, ok := places[k]; ok {
			return &list[i]
		}
		return nil
	}
	var out []T
	for _, k := range woven(first, second, key, inFirst, inB) {
		if e := cell(at(b, inB, k), at(t, inT, k), at(m, inM, k)); e != nil {
			out = append(out, *e)
		}
	}
	return out
}

func placesOf[T any](list []T, key func(*T) string) map[string]int {
	places := make(map[string]int, len(list))
	for i := range list {
		places[key(&list[i])] = i
	}
	return places
}

// moved tells whether the elements that a side has kept stand in another order there.
func moved[T any](b, side []T, key func(*T) string, inB, inSide map[string]int) bool {
	last := -1
	for i := range b {
		if at, kept := inSide[key(&b[i])]; kept {
			if at < last {
				return true
			}
			last = at
		}
	}
	return false
}

// woven is the keys of first in their order, with those that second alone has. Each of these
// comes after the one before it in second, and after what first alone has added there.
func woven[T any](first, second []T, key func(*T) string, inFirst, inB map[string]int) []string {
	inSecond := placesOf(second, key)
	behind := map[int][]string{} // by the place in first; -1 is the beginning
	at, passed := -1, false
	for i := range second {
		k := key(&second[i])
		if place, shared := inFirst[k]; shared {
			at, passed = place, false
			continue
		}
		for ; !passed && at+1 < len(first); at++ {
			added := key(&first[at+1])
			_, old := inB[added]
			if _, shared := inSecond[added]; old || shared {
				break
			}
		}
		passed = true
		behind[at] = append(behind[at], k)
	}
	keys := append([]string{}, behind[-1]...)
	for i := range first {
		keys = append(append(keys, key(&first[i])), behind[i]...)
	}
	return keys
}
