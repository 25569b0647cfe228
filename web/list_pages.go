package web

import (
	"context"
	"net/url"
	"strconv"
)

// This file has the lists that come in pages, unlike the lists of the contract.

// pageBytes is the most bytes in a page. A larger row is alone in its page.
const pageBytes = 1 << 20

// pageOut is an answer with one page of a list.
type pageOut[O any] struct {
	Link string `header:"Link" doc:"There may be more rows: where to go on, as <?...>; rel=next, whether limit has ended the page or its size of 1 MiB. Absent behind the last page" example:"<?limit=100&skip=100>; rel=\"next\""`
	Body list[O]
}

// cursor says how a client asks for the rows after a page. limit is the most rows in a
// page.
type cursor[R any] struct {
	limit int
	param string
	value func(rows int, last *R) string
}

// skipping continues at the number of rows already read.
func skipping[R any](p PageIn) cursor[R] {
	return cursor[R]{p.Limit, "skip", func(rows int, _ *R) string { return strconv.Itoa(p.Skip + rows) }}
}

// before continues behind the id of the last row.
func before[R any](limit int, id func(*R) string) cursor[R] {
	return cursor[R]{limit, "before", func(_ int, last *R) string { return id(last) }}
}

// pageSource is a rowSource that knows how many bytes all its rows have.
type pageSource[R any] interface {
	rowSource[R]
	Size() int64
}

// pageRoom returns how many bytes making a page takes: its rows as they were read and
// decoded, and the page in a buffer that grows and is copied once.
func pageRoom(most, size int64) int64 { return 4*most + 3*min(size, pageBytes) + 2*listStep }

// paged answers with as many rows as fit into pageBytes.
func paged[R, O any](ctx context.Context, s *Server, rows pageSource[R], form func(*R) O, c cursor[R]) (*pageOut[O], error) {
	r := requestOf(ctx)
	if err := s.reserve(ctx, r, pageRoom(rows.Most(), rows.Size())); err != nil {
		return nil, err
	}
	a := &arrayStream{all: true}
	enc := a.encoder()
	var last R
	more := false
	a.buf.WriteByte('[')
	for row, err := range rows.Rows(ctx) {
		if err != nil {
			return nil, err
		}
		end := a.buf.Len()
		if err := a.add(enc, form(row)); err != nil {
			return nil, err
		}
		if more = a.rows > 1 && a.buf.Len() > pageBytes-len("]\n"); more {
			a.buf.Truncate(end)
			a.rows--
			break
		}
		last = *row
	}
	a.buf.WriteString("]\n")
	out := &pageOut[O]{Body: list[O]{a}}
	if more || a.rows > 0 && a.rows >= c.limit {
		out.Link = r.next(c.param, c.value(a.rows, &last))
	}
	return out, nil
}

// asks tells whether the address has a parameter.
func (r *request) asks(param string) bool {
	query, err := url.ParseQuery(r.query)
	return err == nil && query.Has(param)
}

// next returns a link to the same address with another cursor.
func (r *request) next(param, value string) string {
	query, err := url.ParseQuery(r.query)
	if err != nil {
		query = url.Values{} // an unreadable query had no effect
	}
	query.Set(param, value)
	return "<?" + query.Encode() + `>; rel="next"`
}
