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

// Starts implements [files.Format]. It reads the file from its start to the last offset, because a line end may be
// within quotes. If the file cannot be read after some place, that place is in the last range.
//
// A range begins at the start of a record and, if products have several records, of a product. No record before it may
// depend on its text, as a record with a quote that is not closed on its line can.
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
