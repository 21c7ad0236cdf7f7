package postgres

import (
	"fmt"

	"github.com/jackc/pgx/v5/pgtype"

	"ping/domain"
)

// RegisterIDs maps domain.ID and *domain.ID, and slices of them, to uuid in the
// parameters and results of a connection. A nil *domain.ID is NULL; the zero
// domain.ID is the zero uuid. pgx would otherwise go through the text form.
func RegisterIDs(types *pgtype.Map) {
	types.TryWrapEncodePlanFuncs = append([]pgtype.TryWrapEncodePlanFunc{wrapEncode}, types.TryWrapEncodePlanFuncs...)
	types.TryWrapScanPlanFuncs = append([]pgtype.TryWrapScanPlanFunc{wrapScan}, types.TryWrapScanPlanFuncs...)
}

// id gives a domain.ID the methods by which pgx reads and writes a uuid.
type id domain.ID

func (i id) UUIDValue() (pgtype.UUID, error) { return pgtype.UUID{Bytes: i, Valid: true}, nil }

func (i *id) ScanUUID(v pgtype.UUID) error {
	if !v.Valid {
		return fmt.Errorf("scan NULL into a domain.ID")
	}
	*i = v.Bytes
	return nil
}

// ids gives a []domain.ID the methods by which pgx reads an array. pgx could do
// it by reflection, at the price of one more allocation per element.
type ids []domain.ID

func (i ids) Dimensions() []pgtype.ArrayDimension {
	if i == nil {
		return nil
	}
	return []pgtype.ArrayDimension{{Length: int32(len(i)), LowerBound: 1}}
}

func (i ids) Index(n int) any { return id(i[n]) }
func (i ids) IndexType() any  { return id{} }

func wrapEncode(value any) (plan pgtype.WrappedEncodePlanNextSetter, next any, ok bool) {
	switch value := value.(type) {
	case domain.ID:
		return &encodePlan{}, id(value), true
	case []domain.ID:
		return &encodeSlicePlan{}, ids(value), true
	}
	return nil, nil, false
}

type encodePlan struct{ next pgtype.EncodePlan }

func (p *encodePlan) SetNext(next pgtype.EncodePlan) { p.next = next }

func (p *encodePlan) Encode(value any, buf []byte) ([]byte, error) {
	return p.next.Encode(id(value.(domain.ID)), buf)
}

type encodeSlicePlan struct{ next pgtype.EncodePlan }

func (p *encodeSlicePlan) SetNext(next pgtype.EncodePlan) { p.next = next }

func (p *encodeSlicePlan) Encode(value any, buf []byte) ([]byte, error) {
	return p.next.Encode(ids(value.([]domain.ID)), buf)
}

func wrapScan(target any) (plan pgtype.WrappedScanPlanNextSetter, next any, ok bool) {
	if target, is := target.(*domain.ID); is {
		return &scanPlan{}, (*id)(target), true
	}
	return nil, nil, false
}

type scanPlan struct{ next pgtype.ScanPlan }

func (p *scanPlan) SetNext(next pgtype.ScanPlan) { p.next = next }

func (p *scanPlan) Scan(src []byte, target any) error {
	return p.next.Scan(src, (*id)(target.(*domain.ID)))
}
