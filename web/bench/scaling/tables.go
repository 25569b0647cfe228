package scaling

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// Tables are those of docs/scaling.md, by what they show.
func Tables() []string {
	return []string{checkTable(), postTable(), lessonTable()}
}

func checkTable() string {
	var t strings.Builder
	t.WriteString("| | Measured, posts/s | Reckoned | Cores taken by others |\n|---|---|---|---|\n")
	for _, c := range Checks() {
		fmt.Fprintf(&t, "| %s | %s | %s | %.1f of %d |\n", c.What, round(c.Rate), round(c.Reckon(Measured(), Cores)), c.Others, Cores)
	}
	return t.String()
}

// Sites are those of the tables: nodes of four cores, and a Postgres of its own machine in
// the same network, whose disk takes a millisecond for a flush.
func Sites() []Site {
	var all []Site
	for _, size := range [][2]int{{1, 2}, {2, 2}, {2, 4}, {4, 4}, {4, 8}, {8, 8}, {8, 16}} {
		all = append(all, Site{Nodes: size[0], NodeCores: 4, Cores: size[1], Network: 300 * us, Flush: time.Millisecond, Pool: Pool})
	}
	return all
}

// crowd is more writers than any of the sites can serve at once.
func crowd() School { return School{Writers: 400, Rooms: 400} }

func postTable() string {
	var t strings.Builder
	t.WriteString("| Nodes | Cores of Postgres | Posts/s | Half within | Nodes' cores | Postgres' cores | Flush | Full first |\n|---|---|---|---|---|---|---|---|\n")
	cost := Measured().Costs(Reads)
	for _, s := range Sites() {
		r := Reckon(cost, s, crowd())
		fmt.Fprintf(&t, "| %d | %d | %s | %.0f ms | %s | %s | %s | %s |\n", s.Nodes, s.Cores, round(r.Rate), float64(r.P50)/float64(time.Millisecond),
			percent(r.use(OfNodes)), percent(r.use(OfPostgres)), percent(r.use(OfFlush)), r.First())
	}
	return t.String()
}

func lessonTable() string {
	var t strings.Builder
	t.WriteString("| Nodes | Cores of Postgres | Lessons at once | Members | Posts/s | Answers/s | Full first | Lessons, each room on one node | Full first |\n" +
		"|---|---|---|---|---|---|---|---|---|\n")
	cost := Measured().Costs(Reads)
	for _, s := range Sites() {
		all, one := Hold(cost, MeasuredMore(), s, Class(), false), Hold(cost, MeasuredMore(), s, Class(), true)
		fmt.Fprintf(&t, "| %d | %d | %s | %s | %s | %s | %s | %s | %s |\n", s.Nodes, s.Cores, round(float64(all.Lessons)), round(float64(all.Members)),
			round(all.Posts), round(all.Answers), all.First, round(float64(one.Lessons)), one.First)
	}
	return t.String()
}

// round shows two digits, since no more of them are known.
func round(n float64) string {
	if n == 0 {
		return "0"
	}
	unit := math.Pow(10, math.Floor(math.Log10(n))-1)
	rounded := math.Round(n/unit) * unit
	text := fmt.Sprintf("%.*f", max(0, int(-math.Floor(math.Log10(unit)))), rounded)
	if len(text) > 3 && !strings.Contains(text, ".") {
		text = text[:len(text)-3] + "," + text[len(text)-3:]
	}
	return text
}

func percent(share float64) string { return fmt.Sprintf("%.0f %%", share*100) }
