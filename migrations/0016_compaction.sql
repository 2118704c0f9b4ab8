-- A summary that stands for an agent's older messages is a message of the turn it was made in.
alter table messages drop constraint messages_role_check;
alter table messages add constraint messages_role_check
  check (role in ('system', 'user', 'assistant', 'tool', 'approval', 'summary'));
