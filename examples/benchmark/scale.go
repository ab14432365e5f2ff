package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// size has the results for one number of products.
type size struct {
	Products int      `json:"products"`
	Bytes    int64    `json:"bytes"`
	Rounds   []result `json:"rounds"`
	Median   result   `json:"median"`
	// Cost and CPUCost are the median wall and CPU times per product, in microseconds.
	Cost    float64 `json:"us_per_product"`
	CPUCost float64 `json:"cpu_us_per_product"`
}

// scaling is the result of a benchmark with -scale.
type scaling struct {
	subject

	Sizes []size `json:"sizes"`
	// Spread and CPUSpread are the greatest cost per product of all sizes, divided by the smallest. 1 means linear
	// growth.
	Spread    float64 `json:"spread"`
	CPUSpread float64 `json:"cpu_spread"`
}

// scale measures the engine with catalogues of several sizes, in turns.
func scale(ctx context.Context, o options, dir string) error {
	report := scaling{subject: newSubject(o, catalogue{})}
	var catalogues []catalogue
	for _, n := range o.scale {
		c, err := prepare(o.catalogue, n, dir)
		if err != nil {
			return err
		}
		catalogues = append(catalogues, c)
		report.Sizes = append(report.Sizes, size{Products: c.products, Bytes: c.bytes})
	}
	out := progress(o)
	fmt.Fprintln(out, header)
	for round := range o.rounds {
		for i, c := range catalogues {
			r, err := measureInChild(ctx, o, c, loadEngine, round+1)
			if err != nil {
				return fmt.Errorf("round %d, %d products: %w", round+1, c.products, err)
			}
			fmt.Fprintln(out, r.row(strconv.Itoa(round+1), loadEngine))
			report.Sizes[i].Rounds = append(report.Sizes[i].Rounds, r)
		}
	}
	report.summarize()
	if o.json {
		return printJSON(report)
	}
	report.print()
	return nil
}

func (s *scaling) summarize() {
	var costs, cpuCosts []float64
	for i := range s.Sizes {
		size := &s.Sizes[i]
		size.Median = medians(size.Rounds)
		size.Cost = size.Median.Wall * 1e6 / float64(size.Products)
		size.CPUCost = size.Median.CPU * 1e6 / float64(size.Products)
		costs, cpuCosts = append(costs, size.Cost), append(cpuCosts, size.CPUCost)
	}
	s.Spread = spread(costs)
	if slices.Min(cpuCosts) > 0 { // otherwise the CPU time is not known
		s.CPUSpread = spread(cpuCosts)
	}
}

func spread(costs []float64) float64 {
	low, high := bounds(costs)
	return high / low
}

// print prints the medians, and finally the spreads.
func (s *scaling) print() {
	fmt.Printf("\n%s\n\n%-31s", s.subject, "medians")
	for _, size := range s.Sizes {
		fmt.Printf(" %10d", size.Products)
	}
	fmt.Println()
	for _, f := range figures {
		var line strings.Builder
		measured := false
		for i := range s.Sizes {
			v := *f.of(&s.Sizes[i].Median)
			fmt.Fprintf(&line, " %10s", f.format(v))
			measured = measured || v != 0
		}
		if measured {
			fmt.Printf("%-31s%s\n", f.name, &line)
		}
	}
	fmt.Printf("%-31s", "wall time per product, µs")
	for _, size := range s.Sizes {
		fmt.Printf(" %10.2f", size.Cost)
	}
	fmt.Printf("\n%-31s", "CPU time per product, µs")
	for _, size := range s.Sizes {
		fmt.Printf(" %10.2f", size.CPUCost)
	}
	fmt.Printf("\n\ncpu-spread=%.2f\nspread=%.2f\n", s.CPUSpread, s.Spread)
}
