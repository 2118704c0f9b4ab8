-- Who queues turns as jobs may name an agent instead of knowing its id.
create index agents_named on agents (tenant_id, name) where not deleted;
