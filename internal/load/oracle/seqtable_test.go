package oracle

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSeqTable(t *testing.T) {
	var table seqTable
	require.Nil(t, table.slot(0))
	require.Nil(t, table.slot(-1))
	require.Nil(t, table.slot(maxSeq+1))
	far := table.slot(5000)
	far.start.Store(7)
	table.slot(1).start.Store(1)
	require.Same(t, far, table.slot(5000), "growing keeps what is there")
	require.EqualValues(t, 7, table.slot(5000).start.Load())
	require.NotNil(t, table.slot(maxSeq))
}
