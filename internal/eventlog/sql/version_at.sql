-- log.version_at returns the version of a stream's last event at or before a
-- position (0: none). Positions rise with versions within a stream. So it steps
-- back from the end in doubling strides and then bisects: the cost is
-- logarithmic in how far back the position is, and two steps for a reader that
-- was disconnected briefly.
--
-- Nodes of the version before call it too: see functions.go on changing it.
CREATE OR REPLACE FUNCTION log.version_at(p_stream uuid, p_position bigint) RETURNS bigint
LANGUAGE plpgsql STABLE
AS $$
DECLARE
    newest bigint;
    newest_position bigint;
    low bigint;   -- at or before the position
    high bigint;  -- after it
    middle bigint;
    middle_position bigint;
    stride bigint := 1;
BEGIN
    SELECT s.version, s.position INTO newest, newest_position FROM log.streams s WHERE s.stream = p_stream;
    IF NOT FOUND OR newest_position <= p_position THEN
        RETURN coalesce(newest, 0);
    END IF;
    high := newest;
    low := greatest(newest - stride, 0);
    WHILE low > 0 LOOP
        SELECT e.position INTO middle_position FROM log.events e WHERE e.stream = p_stream AND e.version = low;
        EXIT WHEN middle_position <= p_position;
        high := low;
        stride := stride * 2;
        low := greatest(newest - stride, 0);
    END LOOP;
    WHILE high - low > 1 LOOP
        middle := (low + high) / 2;
        SELECT e.position INTO middle_position FROM log.events e WHERE e.stream = p_stream AND e.version = middle;
        IF middle_position <= p_position THEN
            low := middle;
        ELSE
            high := middle;
        END IF;
    END LOOP;
    RETURN low;
END
$$;
