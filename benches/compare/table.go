package main

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
)

const (
	beginMarker = "<!-- comparison: begin -->\n"
	endMarker   = "<!-- comparison: end -->"
)

// table holds every value of every figure of every way.
type table struct {
	ways []way
	// values by figure and way.
	values [][][]float64
}

func newTable(ways []way) *table {
	values := make([][][]float64, len(figures))
	for at := range values {
		values[at] = make([][]float64, len(ways))
	}
	return &table{ways, values}
}

func (t *table) add(figure, way int, value float64) {
	t.values[figure][way] = append(t.values[figure][way], value*figures[figure].scale)
}

// markdown shows medians with their spread.
func (t *table) markdown(rounds int, length time.Duration) string {
	var text strings.Builder
	cores := fmt.Sprintf("%d cores", runtime.NumCPU())
	if runtime.NumCPU() == 1 {
		cores = "everything on one core"
	}
	fmt.Fprintf(&text, "%s; %s, %s; %d rounds of %s each, in turns; median (least-most).\n\n",
		time.Now().UTC().Format(time.RFC3339), cores, kernel(), rounds, length)
	text.WriteString("| way |")
	for _, figure := range figures {
		fmt.Fprintf(&text, " %s (%s) |", figure.name, figure.unit)
	}
	text.WriteString("\n|---|" + strings.Repeat("---|", len(figures)) + "\n")
	for by, way := range t.ways {
		fmt.Fprintf(&text, "| %s |", way.name)
		for at := range figures {
			values := slices.Sorted(slices.Values(t.values[at][by]))
			fmt.Fprintf(&text, " %s (%s-%s) |", short(values[len(values)/2]), short(values[0]), short(values[len(values)-1]))
		}
		text.WriteString("\n")
	}
	return text.String()
}

func short(value float64) string {
	switch {
	case value >= 100:
		return fmt.Sprintf("%.0f", value)
	case value >= 10:
		return fmt.Sprintf("%.1f", value)
	default:
		return fmt.Sprintf("%.2f", value)
	}
}

func kernel() string {
	release, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return runtime.GOOS
	}
	return "Linux " + strings.TrimSpace(string(release))
}

// replace puts the table between the markers of a page.
func replace(page, text string) error {
	whole, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	before, rest, found := strings.Cut(string(whole), beginMarker)
	_, after, ends := strings.Cut(rest, endMarker)
	if !found || !ends {
		return fmt.Errorf("%s has no markers of the comparison", page)
	}
	return os.WriteFile(page, []byte(before+beginMarker+text+endMarker+after), 0o644)
}
