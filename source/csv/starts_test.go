package csv

import (
	"context"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"time"

	"productindex/source/internal/files"
)

// sized is a FileInfo of which only the size is used.
type sized struct {
	fs.FileInfo

	size int64
}

func (s sized) Size() int64        { return s.size }
func (s sized) ModTime() time.Time { return time.Time{} }

// visited returns the records that r reads, and the error that ended the read.
func visited(f *format, r *rows, l *layout, err error) (all []string, failed error) {
	if err != nil {
		return nil, err
	}
	visit := func(record files.Record) bool {
		all = append(all, fmt.Sprintf("%s %s %v", record.ID, record.Body, record.Err))
		return true
	}
	if len(f.cfg.Arrays) > 0 {
		return all, f.grouped(context.Background(), r, l, files.Bodies, visit)
	}
	return all, f.single(context.Background(), r, l, files.Bodies, visit)
}

// FuzzStarts checks that a text yields the same records whole and in the ranges that Starts finds.
func FuzzStarts(f *testing.F) {
	for _, text := range []string{
		"id,n\n1,a\n2,b\n", "id,n\n1,\"a\nb\"\n2,b\n", "id,n\n1,\"a\nb \"c\" 1,d\n2,x\n", "id,n\n1,S\n,\n1,M\n2,L\n",
		"\ufeffid,n\n1,\"\"\"\"\r\n\n\ufeff2,\r\n", "sep=;\nid;n\n1;2\n\"3\";4\n", "id,n\n1,2\n3,\"open\n4,5\n",
		"id,n\n1,\"a\"\"\n\"\n\n2,\"",
	} {
		for options := range uint8(8) {
			f.Add(text, options, uint16(3), uint16(5))
		}
	}
	f.Fuzz(func(t *testing.T, text string, options uint8, first, step uint16) {
		c := Config{LazyQuotes: options&1 != 0, TrimLeadingSpace: options&2 != 0, MaxRecordBytes: 40}
		if options&4 != 0 {
			c.Arrays = []Array{{Name: "all", Columns: []string{"n"}}}
		}
		format := &format{c.withDefaults()}
		open := func() *files.Input {
			return &files.Input{
				Range: files.Range{File: files.File{Info: sized{size: int64(len(text))}}},
				Text:  strings.NewReader(text), Head: []byte(text[:min(4, len(text))]),
			}
		}
		if text == "" || !format.Splits(open()) {
			return
		}
		r, l, err := format.begin(open())
		want, wantErr := visited(format, r, l, err)
		var offsets []int64
		for offset := int64(first); offset < int64(len(text)); offset += int64(step) + 1 {
			offsets = append(offsets, offset)
		}
		starts, err := format.Starts(t.Context(), open(), offsets)
		if err != nil || len(starts) != len(offsets) || !slices.IsSorted(starts) {
			t.Fatalf("the offsets %v have the starts %v, error %v, want one ascending start each", offsets, starts, err)
		}
		var got []string
		var gotErr error
		from := int64(0)
		for _, to := range append(starts, int64(len(text))) {
			if to == from || gotErr != nil {
				continue
			}
			r, l, err := format.begin(&files.Input{Text: strings.NewReader(text[:to])})
			if from > 0 {
				r, l, err = format.resume(strings.NewReader(text[:from]), strings.NewReader(text[from:to]))
			}
			var some []string
			some, gotErr = visited(format, r, l, err)
			got, from = append(got, some...), to
		}
		if fmt.Sprint(gotErr) != fmt.Sprint(wantErr) || !slices.Equal(got, want) {
			t.Errorf("with starts %v of %v:\n%q, %v\nwant\n%q, %v", starts, offsets, got, gotErr, want, wantErr)
		}
	})
}
