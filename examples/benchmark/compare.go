package main

import (
	"context"
	"fmt"
	"math"
	"strconv"
)

// pair has the results of the two loads of a round, or the medians of several rounds.
type pair struct {
	Engine  result `json:"engine"`
	Library result `json:"library"`
}

// comparison is the result of a benchmark without -scale.
type comparison struct {
	subject

	Rounds []pair `json:"rounds"`
	Median pair   `json:"median"`
	// Ratio is the speed of the engine relative to the library: the median of the rounds' ratios.
	Ratio float64 `json:"ratio"`
}

// compare measures the engine and the library in turns.
func compare(ctx context.Context, o options, dir string) error {
	c, err := prepare(o.catalogue, o.products, dir)
	if err != nil {
		return err
	}
	report := comparison{subject: newSubject(o, c)}
	out := progress(o)
	fmt.Fprintln(out, header)
	for round := range o.rounds {
		var p pair
		for _, load := range []string{loadEngine, loadLibrary} {
			r, err := measureInChild(ctx, o, c, load, round+1)
			if err != nil {
				return fmt.Errorf("round %d, %s: %w", round+1, load, err)
			}
			fmt.Fprintln(out, r.row(strconv.Itoa(round+1), load))
			if load == loadEngine {
				p.Engine = r
			} else {
				p.Library = r
			}
		}
		if p.Engine.Products != p.Library.Products || p.Engine.Hits != p.Library.Hits {
			return fmt.Errorf(
				"the engine loaded %.0f products, and the queries find %.0f; with the library alone it is %.0f and %.0f",
				p.Engine.Products,
				p.Engine.Hits,
				p.Library.Products,
				p.Library.Hits,
			)
		}
		report.Rounds = append(report.Rounds, p)
	}
	report.summarize()
	if o.json {
		return printJSON(report)
	}
	report.print()
	return nil
}

func (c *comparison) summarize() {
	var engine, library []result
	var speed []float64
	for _, p := range c.Rounds {
		engine, library = append(engine, p.Engine), append(library, p.Library)
		speed = append(speed, p.Library.Wall/p.Engine.Wall)
	}
	c.Median, c.Ratio = pair{medians(engine), medians(library)}, median(speed)
}

// ratios returns the engine's figure divided by the library's, for each round.
func (c *comparison) ratios(f figure) []float64 {
	var all []float64
	for i := range c.Rounds {
		all = append(all, *f.of(&c.Rounds[i].Engine) / *f.of(&c.Rounds[i].Library))
	}
	return all
}

// print prints the medians, the median of the rounds' ratios with their range, and finally the speed of the engine
// relative to the library.
func (c *comparison) print() {
	fmt.Printf("\n%s\n\n%-31s %10s %10s   %s\n", c.subject, "medians", loadEngine, loadLibrary, "engine : library (range)")
	for _, f := range figures {
		engine, library := *f.of(&c.Median.Engine), *f.of(&c.Median.Library)
		if engine == 0 && library == 0 {
			continue // not measured with this backend, or on this system
		}
		ratios, ratio := c.ratios(f), "-"
		if low, high := bounds(ratios); low > 0 && high < math.Inf(1) {
			ratio = fmt.Sprintf("%.2f (%.2f to %.2f)", median(ratios), low, high)
		}
		fmt.Printf("%-31s %10s %10s   %s\n", f.name, f.format(engine), f.format(library), ratio)
	}
	fmt.Printf("\nratio=%.2f\n", c.Ratio)
}
