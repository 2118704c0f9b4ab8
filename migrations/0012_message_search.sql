-- The words of a stored message, for search: what was said, of several parts the text, or what a tool
-- returned. Cut, because the index refuses words of more than a megabyte in all.
create function message_words(content json) returns tsvector
language sql immutable parallel safe as $$
  select to_tsvector('simple', left(case
    when json_typeof(content->'content') = 'array' then (
      select string_agg(part->>'text', ' ') from json_array_elements(content->'content') part)
    else coalesce(content->>'content', content->>'result') end, 100000))
$$;
create index messages_searched on messages using gin (message_words(content));
