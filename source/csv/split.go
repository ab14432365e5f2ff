package csv

import (
	"bytes"
	"context"
	"io"

	"productindex/source/internal/files"
)

// Splits implements [files.Format]. Offsets are those of UTF-8, and lines are counted by their LFs.
func (f *format) Splits(in *files.Input) bool {
	if f.cfg.Encoding != nil || bytes.HasPrefix(in.Head, []byte{0xff, 0xfe}) ||
		bytes.HasPrefix(in.Head, []byte{0xfe, 0xff}) {
		return false
	}
	r := newRows(in.Text, &f.cfg)
	r.begin()
	return !r.cr
}

// Starts implements [files.Format]. A line end ends a record or not, depending on the quotes in all lines before it: so
// it reads the file from the start up to the last offset. If it comes to a place behind which nothing can be read, the
// last range has that place.
//
// A range begins where a record does, and with it a product of several records. The range does not change how the
// records before it are read: a quote that is not closed on its line can depend on the lines that follow.
func (f *format) Starts(ctx context.Context, in *files.Input, offsets []int64) ([]int64, error) {
	starts := make([]int64, 0, len(offsets))
	r := newRows(in.Text, &f.cfg)
	r.begin()
	l, err := f.cfg.layOut(r, false)
	grouped, product := len(f.cfg.Arrays) > 0, ""
	for err == nil && len(starts) < len(offsets) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		seen := r.seen
		if err = r.read(); err != nil {
			break
		}
		begins := seen <= r.at
		if grouped {
			id, _ := f.id(r, l)
			begins = begins && id != "" && id != product
			if id != "" {
				product = id
			}
		}
		for begins && len(starts) < len(offsets) && offsets[len(starts)] <= r.at {
			starts = append(starts, r.at)
		}
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	for len(starts) < len(offsets) {
		starts = append(starts, in.Info.Size())
	}
	return starts, nil
}

// resume returns the records of a range. The text of the file before it has the header.
func (f *format) resume(before, text io.Reader) (r *rows, l *layout, err error) {
	head := newRows(before, &f.cfg)
	head.begin()
	r = newRows(text, &f.cfg)
	r.comma, r.cr = head.comma, head.cr
	l, err = f.cfg.layOut(head, false)
	return r, l, err
}
