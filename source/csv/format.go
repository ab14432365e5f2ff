package csv

import (
	"context"
	"errors"
	"io"

	"productindex/source/internal/files"
)

// format reads CSV files.
type format struct{ cfg Config }

// Fail implements [files.Format].
func (f *format) Fail(file string, line int64, err error) error {
	return &LineError{File: file, Line: line, Err: err}
}

// Records implements [files.Format].
func (f *format) Records(ctx context.Context, in *files.Input, need files.Need, visit files.Visitor) error {
	r, l, err := f.begin(in)
	if err != nil {
		return f.fail(ctx, in, r.line, err)
	}
	if len(f.cfg.Arrays) > 0 {
		err = f.grouped(ctx, r, l, need, visit)
	} else {
		err = f.single(ctx, r, l, need, visit)
	}
	if err != nil && !errors.Is(err, files.ErrStopped) {
		return f.fail(ctx, in, r.line, err)
	}
	return err
}

// begin returns the records of a file, or of a range of it, and the columns that the start of the file names.
func (f *format) begin(in *files.Input) (r *rows, l *layout, err error) {
	if in.Start > 0 {
		return f.resume(in.Before(), in.Text)
	}
	r = newRows(in.Text, &f.cfg)
	text, decoded, err := decode(in.Text, f.cfg.Encoding)
	if err != nil {
		return r, nil, err
	}
	r.in = text
	r.begin()
	l, err = f.cfg.layOut(r, decoded)
	return r, l, err
}

// fail returns the error that ended a read, with the file and the line. If the context has ended, it returns the error
// of the context.
func (f *format) fail(ctx context.Context, in *files.Input, line int64, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return f.Fail(in.Name, in.Line(line), err)
}

// single visits one product per record.
func (f *format) single(ctx context.Context, r *rows, l *layout, need files.Need, visit files.Visitor) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := r.read(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		record := files.Record{Line: r.line}
		if need >= files.IDs {
			record.ID, record.Err = f.id(r, l)
		}
		if need == files.Bodies && record.Err == nil {
			record.Body, record.Err = l.body(r.cells)
		}
		if !visit(record) {
			return files.ErrStopped
		}
	}
}

// grouped visits one product for consecutive records with the same id.
func (f *format) grouped(ctx context.Context, r *rows, l *layout, need files.Need, visit files.Visitor) error {
	g := &group{layout: l, max: f.cfg.MaxRecordBytes, bodies: need == files.Bodies}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := r.read(); errors.Is(err, io.EOF) {
			if g.open && !visit(g.end()) {
				return files.ErrStopped
			}
			return nil
		} else if err != nil {
			return err
		}
		id, fault := f.id(r, l)
		if id == "" {
			if !visit(files.Record{Line: r.line, Err: fault}) {
				return files.ErrStopped
			}
			continue
		}
		if g.open && g.record.ID != id && !visit(g.end()) {
			return files.ErrStopped
		}
		if !g.open {
			g.begin(id, r.line)
		}
		g.add(r.cells, r.line, fault)
	}
}

// id returns the id of the record, if it is known. fault is the reason why the record cannot be read, but id checks no
// values except those of the id.
func (f *format) id(r *rows, l *layout) (id string, fault error) {
	if r.fault != nil && len(r.cells) == 0 {
		return "", r.fault
	}
	id, fault = l.id(r.cells)
	if r.fault != nil {
		return id, r.fault
	}
	if err := l.fault(r.cells); err != nil {
		return id, err
	}
	return id, fault
}
